output "pipeline" {
  description = "All outputs of the module."
  value       = module.pipeline
}

output "topic_arn" {
  description = "ARN of the topic that mails. Other subscribers can be added to it."
  value       = aws_sns_topic.mail.arn
}
