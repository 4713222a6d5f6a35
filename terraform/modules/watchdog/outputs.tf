output "schedule_arn" {
  description = "ARN of the schedule that calls the function every minute."
  value       = aws_scheduler_schedule.this.arn
}

output "schedule_group_name" {
  description = "Name of the schedule's group. CloudWatch counts failed deliveries by it."
  value       = aws_scheduler_schedule_group.this.name
}

output "rule_arn" {
  description = "ARN of the rule that reports ended executions, known at plan."
  value       = local.rule_arn
  depends_on  = [aws_cloudwatch_event_rule.this]
}
