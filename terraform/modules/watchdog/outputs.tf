output "schedule_arn" {
  description = "ARN of the schedule that calls the function every minute."
  value       = module.schedule.arn
}

output "schedule_group_name" {
  description = "Name of the schedule's group. CloudWatch counts failed deliveries by it."
  value       = module.schedule.group_name
}

output "rule_arn" {
  description = "ARN of the rule that reports ended executions, known at plan."
  value       = local.rule_arn
  depends_on  = [aws_cloudwatch_event_rule.this]
}
