output "state_machine_arn" {
  description = "ARN of the state machine."
  value       = aws_sfn_state_machine.this.arn
}

output "schedule_group_name" {
  description = "Name of the schedule's group. CloudWatch counts failed deliveries by it."
  value       = module.schedule.group_name
}

output "schedule_arn" {
  description = "ARN of the schedule that starts the state machine."
  value       = module.schedule.arn
}
