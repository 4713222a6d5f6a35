-- Images in which no label reached its threshold, the newest first.
SELECT analyzed_at, bucket, key, image_key
FROM images
WHERE outcome = 'processed' AND id NOT IN (SELECT id FROM labels WHERE passes)
ORDER BY analyzed_at DESC, key
