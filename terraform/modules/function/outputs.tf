output "arn" {
  description = "ARN of the function, without a version, known at plan."
  value       = local.arn
  depends_on  = [aws_lambda_function.this]
}

output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "environment" {
  description = "Environment variables that the function has."
  value       = aws_lambda_function.this.environment[0].variables
}
