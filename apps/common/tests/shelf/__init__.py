"""An app with migrations that the tests of `migrate` run."""
