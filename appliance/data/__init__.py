"""From a file of records to a data set that can be trained on: taken in, cleaned, without duplicates, split."""
