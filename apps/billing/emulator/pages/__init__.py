"""The pages that Stripe would host: Checkout, authentication, invoices, the customer portal. HTML without scripts."""
