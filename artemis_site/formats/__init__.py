"""How Django writes dates where no template says it: as the portal does. All times are UTC, and say so."""
