"""Values that look real and are nobody's: names, places, telephone numbers, numbers with a wrong check digit."""
