"""The proof that this installation works and that nothing leaves: every stage it has, on built-in data, watched from outside."""
