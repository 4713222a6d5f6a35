output "queue_arn" {
  description = "ARN of the image queue, known at plan."
  value       = local.queue_arn
  depends_on  = [aws_sqs_queue.image]
}

output "queue_url" {
  description = "URL of the image queue."
  value       = aws_sqs_queue.image.url
}

output "dead_letter_queue_arn" {
  description = "ARN of the dead-letter queue, known at plan."
  value       = local.dead_letter_queue_arn
  depends_on  = [aws_sqs_queue.dead_letter]
}

output "dead_letter_queue_url" {
  description = "URL of the dead-letter queue."
  value       = aws_sqs_queue.dead_letter.url
}

output "queue_policy_json" {
  description = "Policy of the image queue: who may send."
  value       = data.aws_iam_policy_document.image.json
}

output "source_notification" {
  description = "With source_events \"external\": what to add to the bucket's notification configuration, as JSON in the format of S3's API. null otherwise."
  value = var.source_events != "external" ? null : jsonencode({
    QueueConfigurations = [
      for notification in local.notifications : {
        Id       = "${var.name}-${notification.id}" # other configurations of the bucket have ids of their own
        QueueArn = local.queue_arn
        Events   = ["s3:ObjectCreated:*"]
        Filter = {
          Key = {
            FilterRules = concat(
              var.source_prefix == "" ? [] : [{ Name = "prefix", Value = var.source_prefix }],
              [{ Name = "suffix", Value = notification.suffix }],
            )
          }
        }
      }
    ]
  })
  depends_on = [aws_sqs_queue.image] # S3 tries the queue out before it agrees
}
