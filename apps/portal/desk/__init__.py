"""Pages of the staff's desk that look over several rooms at once, beside those that the admin makes of one."""
