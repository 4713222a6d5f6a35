-- Why images failed, how many, and one of each to look at.
SELECT error_code, count(*) AS images, min(image_key) AS example, min(error_message) AS message
FROM images
WHERE outcome = 'failed'
GROUP BY error_code
ORDER BY images DESC, error_code
