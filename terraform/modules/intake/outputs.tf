output "queue_arn" {
  description = "ARN of the queue of waiting images, known at plan."
  value       = local.queue_arn
  depends_on  = [aws_sqs_queue.image]
}

output "queue_url" {
  description = "URL of the queue of waiting images."
  value       = aws_sqs_queue.image.url
}

output "dead_letter_queue_arn" {
  description = "ARN of the queue of messages that were given up, known at plan."
  value       = local.dead_letter_queue_arn
  depends_on  = [aws_sqs_queue.dead_letter]
}

output "dead_letter_queue_url" {
  description = "URL of the queue of messages that were given up."
  value       = aws_sqs_queue.dead_letter.url
}
