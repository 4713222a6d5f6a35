-- What each run got done, and how fast. Its receipt, runs/<run_id>.json, has what it cost.
SELECT run_id, count(*) AS images, sum(CASE WHEN outcome = 'failed' THEN 1 ELSE 0 END) AS failed,
  min(analyzed_at) AS first_image_at, max(analyzed_at) AS last_image_at,
  date_diff('second', CAST(replace(substr(min(analyzed_at), 1, 19), 'T', ' ') AS timestamp), CAST(replace(substr(max(analyzed_at), 1, 19), 'T', ' ') AS timestamp)) AS seconds
FROM images
GROUP BY run_id
ORDER BY first_image_at
