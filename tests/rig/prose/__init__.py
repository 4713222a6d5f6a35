"""The linter of what people read: sentences of at most 30 words, and one word for one thing."""
