"""Where the contents of files lie: in a folder or an S3 bucket, outside the database."""
