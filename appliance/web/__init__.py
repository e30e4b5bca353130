"""What every page of Skerry in a browser stands on: named people, sessions, the gate before an application, templates, one CSS base, the server."""
