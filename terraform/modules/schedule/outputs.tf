output "arn" {
  description = "ARN of the schedule."
  value       = aws_scheduler_schedule.this.arn
}

output "group_name" {
  description = "Name of the schedule's group. CloudWatch counts failed deliveries by it."
  value       = aws_scheduler_schedule_group.this.name
}

output "call" {
  description = "What the schedule calls, when, with what input, and how often it retries a failed call."
  value = {
    expression            = aws_scheduler_schedule.this.schedule_expression
    timezone              = aws_scheduler_schedule.this.schedule_expression_timezone
    state                 = aws_scheduler_schedule.this.state
    target_arn            = aws_scheduler_schedule.this.target[0].arn
    action                = var.action
    input                 = aws_scheduler_schedule.this.target[0].input
    max_retries           = aws_scheduler_schedule.this.target[0].retry_policy[0].maximum_retry_attempts
    max_event_age_seconds = aws_scheduler_schedule.this.target[0].retry_policy[0].maximum_event_age_in_seconds
  }
}
