# The real provider with keys that no account knows: it plans and puts policy documents together without a network.
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

variables {
  name                     = "labels"
  region                   = "us-east-1"
  account_id               = "123456789012"
  bucket_name              = "labels-source"
  image_suffixes           = [".jpg", ".PNG"]
  consumer_timeout_seconds = 120
}

run "messages_wait_long_enough_and_are_given_up_late" {
  command = plan

  assert {
    condition     = aws_sqs_queue.image.visibility_timeout_seconds == 6 * 120
    error_message = "The visibility timeout must be six times the function's."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.image.redrive_policy) == {
      deadLetterTargetArn = "arn:aws:sqs:us-east-1:123456789012:labels-images-dead-letter"
      maxReceiveCount     = 6
    }
    error_message = "A message must go to the dead-letter queue after six receives."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.dead_letter.redrive_allow_policy) == {
      redrivePermission = "byQueue"
      sourceQueueArns   = ["arn:aws:sqs:us-east-1:123456789012:labels-images"]
    }
    error_message = "The dead-letter queue must serve this queue alone."
  }

  assert {
    condition     = aws_sqs_queue.image.message_retention_seconds == 1209600 && aws_sqs_queue.dead_letter.message_retention_seconds == 1209600
    error_message = "Both queues must keep messages for 14 days."
  }

  assert {
    condition     = aws_sqs_queue.image.sqs_managed_sse_enabled && aws_sqs_queue.dead_letter.sqs_managed_sse_enabled
    error_message = "Both queues must be encrypted."
  }

  assert {
    condition     = aws_sqs_queue.image.name == "labels-images" && aws_sqs_queue.dead_letter.name == "labels-images-dead-letter"
    error_message = "The queues' names must match the ARNs in their policies."
  }
}

run "only_this_bucket_may_send_and_only_over_tls" {
  command = plan

  assert {
    condition = jsondecode(aws_sqs_queue.image.policy).Statement == [
      {
        Sid       = "ReceiveBucketNotifications"
        Effect    = "Allow"
        Principal = { Service = "s3.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = "arn:aws:sqs:us-east-1:123456789012:labels-images"
        Condition = {
          ArnEquals    = { "aws:SourceArn" = "arn:aws:s3:::labels-source" }
          StringEquals = { "aws:SourceAccount" = "123456789012" }
        }
      },
      {
        Sid       = "DenyPlainHttp"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = "arn:aws:sqs:us-east-1:123456789012:labels-images"
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
    error_message = "The queue must take messages from this bucket of this account, and nothing without TLS."
  }

  assert {
    condition = [for s in jsondecode(aws_sqs_queue.dead_letter.policy).Statement : [s.Effect, s.Resource, s.Condition]] == [
      ["Deny", "arn:aws:sqs:us-east-1:123456789012:labels-images-dead-letter", { Bool = { "aws:SecureTransport" = "false" } }],
    ]
    error_message = "The dead-letter queue must be out of reach without TLS."
  }

  assert {
    condition = (
      [for q in aws_s3_bucket_notification.this.queue : q.filter_suffix] == [".jpg", ".PNG"] &&
      alltrue([for q in aws_s3_bucket_notification.this.queue : q.events == toset(["s3:ObjectCreated:*"])])
    )
    error_message = "Each suffix must have one notification, for every way an object is created."
  }
}

run "refuses_what_sqs_and_s3_refuse" {
  command = plan

  variables {
    name                     = "labels.images"
    partition                = "azure"
    region                   = "Virginia"
    account_id               = "12345"
    image_suffixes           = [".jpg", ".raw.jpg"]
    consumer_timeout_seconds = 901
  }

  expect_failures = [
    var.name,
    var.partition,
    var.region,
    var.account_id,
    var.image_suffixes,
    var.consumer_timeout_seconds,
  ]
}

run "refuses_no_suffixes" {
  command = plan

  variables {
    image_suffixes = []
  }

  expect_failures = [var.image_suffixes]
}
