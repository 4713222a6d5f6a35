output "arn" {
  description = "ARN of the function, without a version, known at plan."
  value       = local.arn
  depends_on  = [aws_lambda_function.this]
}

output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = aws_iam_role.this.arn
}

output "role_name" {
  description = "Name of the function's role, to attach further policies to."
  value       = aws_iam_role.this.name
}

output "environment" {
  description = "Environment variables that the function has."
  value       = aws_lambda_function.this.environment[0].variables
}
