"""Everything about models and the engines that serve them; knows nothing of Django."""
