"""The way out of the sealed network: a package that a checker can read, approved by two people and signed by the site."""
