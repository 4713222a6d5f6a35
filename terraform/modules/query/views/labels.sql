SELECT id, substr(analyzed_at, 1, 10) AS day, analyzed_at, run_id, bucket, key, image_bucket, image_key, model, item.name AS label, item.confidence, item.passes, item.threshold AS own_threshold, item.box_left, item.box_top, item.box_width, item.box_height
FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY analyzed_at) AS copy FROM results) AS lines
CROSS JOIN UNNEST(labels) AS item (name, confidence, passes, threshold, box_left, box_top, box_width, box_height)
WHERE copy = 1
