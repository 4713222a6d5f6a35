output "name" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.id
}

output "arn" {
  description = "ARN of the bucket, known at plan."
  value       = local.arn
  depends_on  = [aws_s3_bucket.this]
}
