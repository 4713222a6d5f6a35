-- Labels that are hardly above or hardly below a confidence of 70, where the model was least sure: change the two bounds.
SELECT confidence, label, passes, bucket, key, image_key
FROM labels
WHERE confidence >= 60 AND confidence < 80
ORDER BY confidence, key, label
