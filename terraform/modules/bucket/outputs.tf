output "name" {
  description = "Name of the bucket, known at plan."
  value       = var.name
  depends_on  = [aws_s3_bucket.this]
}

output "arn" {
  description = "ARN of the bucket, known at plan."
  value       = local.arn
  depends_on  = [aws_s3_bucket.this]
}
