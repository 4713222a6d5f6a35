output "alarm_topic_arn" {
  description = "ARN of the topic that the alarms go to."
  value       = local.actions[0]
}

output "alarm_names" {
  description = "Names of the alarms."
  value       = values(local.alarm_names)
}
