"""Small pictures as real buckets hold them, made by script, each with the end that it has to come to."""
