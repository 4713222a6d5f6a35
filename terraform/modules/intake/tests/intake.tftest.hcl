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

run "images_of_this_bucket_wait_long_enough_and_are_given_up_late" {
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
        Sid       = "DenyOtherSenders"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:SendMessage"
        Resource  = "arn:aws:sqs:us-east-1:123456789012:labels-images"
        Condition = {
          ArnNotLike = { "aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/labels-analyze-image-us-east-1", "arn:aws:iam::123456789012:role/*/on-call"] }
          Bool       = { "aws:PrincipalIsAWSService" = "false" }
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
    error_message = "The queue must take messages from this bucket of this account and the named senders, and nothing without TLS."
  }

  assert {
    condition = [for s in jsondecode(aws_sqs_queue.dead_letter.policy).Statement : [s.Effect, s.Action, s.Resource, s.Condition]] == [
      ["Deny", "sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:labels-images-dead-letter", {
        ArnNotLike = { "aws:PrincipalArn" = "arn:aws:iam::123456789012:role/labels-analyze-image-us-east-1" }
        Bool       = { "aws:PrincipalIsAWSService" = "false" }
      }],
      ["Deny", "sqs:*", "arn:aws:sqs:us-east-1:123456789012:labels-images-dead-letter", { Bool = { "aws:SecureTransport" = "false" } }],
    ]
    error_message = "The dead-letter queue must take messages from the named senders alone, and nothing without TLS."
  }

  assert {
    condition     = length(aws_cloudwatch_event_rule.image) == 0 && output.source_notification == null && jsondecode(output.queue_policy_json) == jsondecode(aws_sqs_queue.image.policy)
    error_message = "Nothing but the notification must bring events."
  }

  assert {
    condition = (
      [for q in aws_s3_bucket_notification.this[0].queue : q.filter_suffix] == [".jpg", ".PNG"] &&
      alltrue([for q in aws_s3_bucket_notification.this[0].queue : q.events == toset(["s3:ObjectCreated:*"])])
    )
    error_message = "Each suffix must have one notification, for every way an object is created."
  }

  assert {
    condition     = startswith(one(terraform_data.notification_configuration_is_replaced[*].input), "REPLACES the whole notification configuration of bucket labels-source")
    error_message = "The plan must say what is replaced."
  }
}

run "a_notification_of_an_own_bucket_is_filtered_and_its_queues_have_the_given_key" {
  command = plan

  variables {
    bucket_is_own = true
    source_prefix = "logos/incoming/"
    kms_key_arn   = "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa"
  }

  assert {
    condition     = length(terraform_data.notification_configuration_is_replaced) == 0 && length(aws_s3_bucket_notification.this[0].queue) == 2
    error_message = "The bucket must notify, and nothing be said of others."
  }

  assert {
    condition = [for q in aws_s3_bucket_notification.this[0].queue : [q.id, q.filter_prefix, q.filter_suffix]] == [
      ["image-0", "logos/incoming/", ".jpg"], ["image-1", "logos/incoming/", ".PNG"],
    ]
    error_message = "Each suffix must be notified about below the prefix alone."
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.image, aws_sqs_queue.dead_letter] : queue.kms_master_key_id == "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa"])
    error_message = "Both queues must be encrypted with the key."
  }
}

run "a_rule_takes_events_from_eventbridge_and_leaves_the_bucket_alone" {
  command = plan

  variables {
    source_events = "eventbridge"
  }

  assert {
    condition     = length(aws_s3_bucket_notification.this) == 0 && output.source_notification == null
    error_message = "The bucket's notification configuration must be left alone."
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.image[0].event_pattern) == {
      source      = ["aws.s3"]
      detail-type = ["Object Created"]
      detail = {
        bucket = { name = ["labels-source"] }
        object = { key = [{ suffix = ".jpg" }, { suffix = ".PNG" }] }
      }
    }
    error_message = "The rule must match this bucket's new images and nothing else."
  }

  assert {
    condition = [for s in jsondecode(aws_sqs_queue.image.policy).Statement : s if s.Effect == "Allow"] == [{
      Sid       = "ReceiveBucketEvents"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = "arn:aws:sqs:us-east-1:123456789012:labels-images"
      Condition = { ArnEquals = { "aws:SourceArn" = "arn:aws:events:us-east-1:123456789012:rule/labels-images" } }
    }]
    error_message = "The rule alone may send, not the bucket."
  }

  assert {
    condition     = aws_cloudwatch_event_rule.image[0].name == "labels-images" && aws_cloudwatch_event_target.image[0].rule == "labels-images"
    error_message = "The rule must have the name that the queue's policy names, and a target."
  }
}

run "rules_are_filtered_by_prefix_and_suffix_with_no_more_wildcards_than_eventbridge_takes" {
  command = plan

  variables {
    source_events  = "eventbridge"
    bucket_is_own  = true
    source_prefix  = "logos/incoming/"
    image_suffixes = [".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".Png"]
  }

  assert {
    condition = [for rule in aws_cloudwatch_event_rule.image : jsondecode(rule.event_pattern).detail.object.key[*].wildcard] == [
      ["logos/incoming/*.jpg", "logos/incoming/*.jpeg", "logos/incoming/*.png"],
      ["logos/incoming/*.JPG", "logos/incoming/*.JPEG", "logos/incoming/*.PNG"],
      ["logos/incoming/*.Png"],
    ]
    error_message = "Each suffix must be in one rule, with two others at the most, and in one matcher with the prefix: two of one field are either, not both."
  }

  assert {
    condition     = aws_cloudwatch_event_rule.image[*].name == ["labels-images", "labels-images-2", "labels-images-3"] && aws_cloudwatch_event_target.image[*].rule == aws_cloudwatch_event_rule.image[*].name
    error_message = "Each rule must have a name of its own and a target."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.image.policy).Statement[0].Condition.ArnEquals["aws:SourceArn"] == [
      for name in ["labels-images", "labels-images-2", "labels-images-3"] : "arn:aws:events:us-east-1:123456789012:rule/${name}"
    ]
    error_message = "All the rules may send."
  }

  assert {
    condition     = aws_s3_bucket_notification.this[0].eventbridge && length(aws_s3_bucket_notification.this[0].queue) == 0
    error_message = "The bucket must send to EventBridge and to nothing else."
  }
}

run "an_owner_is_told_what_to_add" {
  command = plan

  variables {
    source_events = "external"
    source_prefix = "incoming/"
  }

  assert {
    condition     = length(aws_s3_bucket_notification.this) == 0 && length(aws_cloudwatch_event_rule.image) == 0
    error_message = "Nothing must be made that brings events."
  }

  assert {
    condition = jsondecode(output.source_notification) == {
      QueueConfigurations = [
        for index, suffix in [".jpg", ".PNG"] : {
          Id       = "labels-image-${index}"
          QueueArn = "arn:aws:sqs:us-east-1:123456789012:labels-images"
          Events   = ["s3:ObjectCreated:*"]
          Filter   = { Key = { FilterRules = [{ Name = "prefix", Value = "incoming/" }, { Name = "suffix", Value = suffix }] } }
        }
      ]
    }
    error_message = "The owner must be told exactly what S3 has to notify about, and where."
  }

  assert {
    condition     = jsondecode(output.queue_policy_json).Statement[0].Condition.ArnEquals == { "aws:SourceArn" = "arn:aws:s3:::labels-source" }
    error_message = "The bucket must be allowed to send."
  }
}

run "refuses_a_pattern_that_eventbridge_refuses" {
  command = plan

  variables {
    source_events  = "eventbridge"
    image_suffixes = [for i in range(1000, 1120) : ".${i}"]
  }

  expect_failures = [aws_cloudwatch_event_rule.image]
}
