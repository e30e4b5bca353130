"""The labeling loop: what to label next, who agrees with whom, Label Studio."""
