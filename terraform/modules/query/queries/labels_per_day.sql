-- How often each label was found on each day, and in how many images.
SELECT day, label, count(*) AS labels, count(DISTINCT id) AS images, round(avg(confidence), 2) AS average_confidence
FROM labels
WHERE passes
GROUP BY day, label
ORDER BY day, label
