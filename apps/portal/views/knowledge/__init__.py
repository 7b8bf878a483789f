"""Vector stores on the portal: what is in them, how far it is read, and what is found."""
