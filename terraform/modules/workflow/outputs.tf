output "state_machine_arn" {
  description = "ARN of the state machine."
  value       = aws_sfn_state_machine.this.arn
}

output "schedule_arn" {
  description = "ARN of the schedule that starts the state machine."
  value       = module.schedule.arn
}
