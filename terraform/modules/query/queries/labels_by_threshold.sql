-- How many labels, and images with one, other thresholds would leave. Exact from the threshold or candidate_min_confidence on.
SELECT label, threshold, count(*) AS labels, count(DISTINCT id) AS images
FROM (SELECT id, label, confidence FROM labels) AS found
CROSS JOIN (VALUES (50), (60), (70), (80), (90), (95)) AS thresholds (threshold)
WHERE confidence >= threshold
GROUP BY label, threshold
ORDER BY label, threshold
