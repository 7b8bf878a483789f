"""A stand-in for Stripe: a server of its own that follows Stripe's documented protocol. No real money."""
