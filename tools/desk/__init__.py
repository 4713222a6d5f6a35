"""`clb`: one command for people who look after a deployment. One file a command; docs/desk.md is its page."""
