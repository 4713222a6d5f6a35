output "name" {
  description = "Name of the bucket, known at plan."
  value       = var.name
  depends_on  = [aws_s3_bucket.this]
}
