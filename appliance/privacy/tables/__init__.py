"""Tables of people: which columns identify them alone or together, how many share each combination, and what to widen or hide until enough do."""
