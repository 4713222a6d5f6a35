SELECT id, substr(analyzed_at, 1, 10) AS day, analyzed_at, run_id, outcome, bucket, key, version_id, etag, size_bytes, image_bucket, image_key, model, min_confidence, error_code, error_message
FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY analyzed_at) AS copy FROM results) AS lines
WHERE copy = 1
