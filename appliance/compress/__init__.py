"""Smaller models of a trained one, each measured on this machine: layers, heads, neurons, vocabulary, bits, or no transformer at all."""
