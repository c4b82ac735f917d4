"""The endpoints: HTTP in, the org's work, HTTP out."""
