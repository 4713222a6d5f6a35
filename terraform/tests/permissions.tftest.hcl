# What each function may do, and each service, in buckets and with keys of the account too. The real provider puts the policy documents together without a network; the account is
# overridden, and so are the state machines, whose definitions the provider would send to AWS.

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_resource {
  target = module.workflow.aws_sfn_state_machine.this
}

override_resource {
  target = module.reconcile.aws_sfn_state_machine.this
}

run "each_function_and_service_may_do_what_it_needs_and_no_more" {
  command = plan

  variables {
    alert_labels  = { logo = 95 }
    query_enabled = true
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.record_run.json).Statement : s.Sid => [s.Action, s.Resource] if s.Effect == "Allow" } == {
      ReadWriteRunItems = [["dynamodb:UpdateItem", "dynamodb:GetItem"], "arn:aws:dynamodb:us-east-1:123456789012:table/custom-labels-batch-runs"]
      WriteReceipts     = ["s3:PutObject", "arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1/runs/*"]
      SendRunEvents     = ["events:PutEvents", "arn:aws:events:us-east-1:123456789012:event-bus/default"]
    }
    error_message = "record_run must keep runs in the table, write receipts under runs/ and send them."
  }

  assert {
    condition = {
      for role, json in { record_run = data.aws_iam_policy_document.record_run.json, analyze_image = data.aws_iam_policy_document.analyze_image.json } :
      role => [for s in jsondecode(json).Statement : s.Condition if s.Action == "events:PutEvents"]
      } == {
      record_run    = [{ StringEquals = { "events:source" = "custom-labels-batch.custom-labels-batch", "events:detail-type" = "Run Finished" } }]
      analyze_image = [{ StringEquals = { "events:source" = "custom-labels-batch.custom-labels-batch", "events:detail-type" = "Alert Label Found" } }]
    }
    error_message = "Each role must send its own kind of event, in this deployment's name alone."
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.check_queue.json).Statement : s.Sid => [s.Action, s.Resource] if s.Effect == "Allow" } == {
      PeekQueue                        = [["sqs:ReceiveMessage", "sqs:GetQueueAttributes", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"], "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images"]
      PeekDeadLetterQueue              = [["sqs:ReceiveMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"], "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images-dead-letter"]
      DeadLetterUnexpectedMessages     = ["sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images-dead-letter"]
      SeeWhetherImagesExist            = [["s3:GetObjectVersion", "s3:GetObject"], "arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1/*"]
      ListSourceBucket                 = ["s3:ListBucket", "arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1"]
      TellMissingVersionsFromForbidden = ["s3:ListBucketVersions", "arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1"]
      LetImagesBeCounted               = ["lambda:InvokeFunction", "arn:aws:lambda:us-east-1:123456789012:function:custom-labels-batch-analyze-image"]
      ReadAndExtendLease               = [["dynamodb:UpdateItem", "dynamodb:GetItem"], "arn:aws:dynamodb:us-east-1:123456789012:table/custom-labels-batch-runs"]
    }
    error_message = "check_queue must look into both queues, list the source bucket, dead-letter unexpected messages, see whether images exist, let the analysis count them and extend the lease."
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.start_model.json).Statement : s.Sid => [s.Action, s.Resource] if s.Effect == "Allow" } == {
      DescribeModel = ["rekognition:DescribeProjectVersions", var.project_arn]
      StartModel    = ["rekognition:StartProjectVersion", var.project_version_arn]
      TagModel      = ["rekognition:TagResource", var.project_version_arn]
      WarmUpFunctions = ["lambda:InvokeFunction", [
        "arn:aws:lambda:us-east-1:123456789012:function:custom-labels-batch-toggle-trigger",
        "arn:aws:lambda:us-east-1:123456789012:function:custom-labels-batch-analyze-image",
      ]]
      ExtendLeaseAndReadThroughput = [
        ["dynamodb:UpdateItem", "dynamodb:GetItem"],
        "arn:aws:dynamodb:us-east-1:123456789012:table/custom-labels-batch-runs",
      ]
    }
    error_message = "start_model must describe the project's versions, start and tag this one, warm up two functions, extend the lease and read the throughput."
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.stop_model.json).Statement : s.Sid => [s.Action, s.Resource] if s.Effect == "Allow" } == {
      DescribeModel = ["rekognition:DescribeProjectVersions", var.project_arn]
      StopModel     = [["rekognition:StopProjectVersion", "rekognition:ListTagsForResource"], var.project_version_arn]
      UntagModel    = ["rekognition:UntagResource", var.project_version_arn]
      ExtendLease   = ["dynamodb:UpdateItem", "arn:aws:dynamodb:us-east-1:123456789012:table/custom-labels-batch-runs"]
    }
    error_message = "stop_model must describe the project's versions, stop this one, read and remove its tag, and extend the lease."
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.analyze_image.json).Statement : s.Sid => [s.Action, s.Resource] if s.Effect == "Allow" } == {
      LabelImages = ["rekognition:DetectCustomLabels", var.project_version_arn]
      PollQueue   = [["sqs:ReceiveMessage", "sqs:GetQueueAttributes", "sqs:DeleteMessage"], "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images"]
      SendMessages = [
        "sqs:SendMessage",
        ["arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images-dead-letter", "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images"],
      ]
      ReadAndDeleteImages = [
        [
          "s3:ListObjectVersionAnnotations", "s3:ListObjectAnnotations",
          "s3:GetObjectVersionTagging", "s3:GetObjectVersionAnnotation", "s3:GetObjectVersion",
          "s3:GetObjectTagging", "s3:GetObjectAnnotation", "s3:GetObject",
          "s3:DeleteObjectVersion", "s3:DeleteObject",
        ],
        "arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1/*",
      ]
      TellMissingFromForbidden         = ["s3:ListBucket", ["arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1", "arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1"]]
      TellMissingVersionsFromForbidden = ["s3:ListBucketVersions", "arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1"]
      WriteResultObjects = [
        ["s3:PutObjectTagging", "s3:PutObjectAnnotation", "s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"],
        ["arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1/processed/*", "arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1/failed/*"],
      ]
      WithdrawClaims = [
        "s3:DeleteObject",
        ["arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1/processed/*.json", "arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1/failed/*.json"],
      ]
      CountImages     = [["dynamodb:UpdateItem", "dynamodb:GetItem"], "arn:aws:dynamodb:us-east-1:123456789012:table/custom-labels-batch-runs"]
      SendLines       = ["firehose:PutRecordBatch", "arn:aws:firehose:us-east-1:123456789012:deliverystream/custom-labels-batch-results"]
      SendAlertEvents = ["events:PutEvents", "arn:aws:events:us-east-1:123456789012:event-bus/default"]
    }
    error_message = "analyze_image must label, keep messages, take images from the source bucket, keep results in the final bucket and count."
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.reconcile.json).Statement : s.Sid => [s.Action, s.Resource] if s.Effect == "Allow" } == {
      ListSourceBucket        = ["s3:ListBucket", "arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1"]
      ReadObjectVersions      = ["s3:GetObject", "arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1/*"]
      QueueImages             = ["sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images"]
      PeekDeadLetterQueue     = [["sqs:ReceiveMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"], "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images-dead-letter"]
      WriteReports            = ["s3:PutObject", "arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1/reconcile/*"]
      ReadDeadLetteredImages  = ["s3:GetObject", "arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1/reconcile/*/dead_lettered.json"]
      ReadWriteReconcileItems = [["dynamodb:UpdateItem", "dynamodb:GetItem"], "arn:aws:dynamodb:us-east-1:123456789012:table/custom-labels-batch-runs"]
    }
    error_message = "reconcile must look into the source bucket and the dead-letter queue, queue images and write its reports."
  }

  assert {
    condition = alltrue([
      for json in [
        data.aws_iam_policy_document.reconcile.json,
        data.aws_iam_policy_document.record_run.json,
        data.aws_iam_policy_document.check_queue.json,
        data.aws_iam_policy_document.start_model.json,
        data.aws_iam_policy_document.stop_model.json,
        data.aws_iam_policy_document.analyze_image.json,
        ] : alltrue([
          for s in jsondecode(json).Statement :
          s.Condition == { "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = var.project_version_arn } }
          if s.Effect == "Allow" && strcontains(jsonencode(s.Action), "dynamodb:")
      ])
    ])
    error_message = "Each DynamoDB statement must hold the leading key to the model's ARN."
  }

  assert {
    condition = [
      for json in [data.aws_iam_policy_document.start_model.json, data.aws_iam_policy_document.stop_model.json] : [
        for s in jsondecode(json).Statement : s.Condition if contains(["TagModel", "UntagModel"], s.Sid)
      ]
    ] == [for _ in range(2) : [{ "ForAllValues:StringEquals" = { "aws:TagKeys" = "started-by/custom-labels-batch" }, Null = { "aws:TagKeys" = "false" } }]]
    error_message = "No function may write or remove another tag of the model than this deployment's own."
  }

  assert {
    condition = alltrue([
      for s in jsondecode(data.aws_iam_policy_document.analyze_image.json).Statement : s.Effect == "Deny" && s.Action == "dynamodb:UpdateItem" &&
      toset(s.Condition["ForAnyValue:StringEquals"]["dynamodb:Attributes"]) == toset(local.lease_attributes)
      if s.Sid == "DenyWritingTheLease"
    ]) && strcontains(data.aws_iam_policy_document.analyze_image.json, "DenyWritingTheLease")
    error_message = "analyze_image must not write what the lease says."
  }

  assert {
    condition = alltrue([
      for json in [
        data.aws_iam_policy_document.reconcile.json,
        data.aws_iam_policy_document.reconcile_workflow.json,
        data.aws_iam_policy_document.record_run.json,
        data.aws_iam_policy_document.check_queue.json,
        data.aws_iam_policy_document.analyze_image.json,
        data.aws_iam_policy_document.own_buckets.json,
        ] : [for s in jsondecode(json).Statement : [s.Effect, s.Action, s.Resource, s.Condition] if s.Sid == "DenyBucketsOfOtherAccounts"] == [
        ["Deny", "s3:*", "*", { Null = { "aws:ResourceAccount" = "false" }, StringNotEquals = { "aws:ResourceAccount" = "123456789012" } }],
      ]
    ])
    error_message = "No role that works with S3 may touch a bucket of another account."
  }

  assert {
    condition     = alltrue([for document in values(data.aws_iam_policy_document.key_use) : try(length(jsondecode(document.json).Statement), 0) == 0])
    error_message = "Without a key there must be no statement about one."
  }

  assert {
    condition = { for s in jsondecode(output.kms_key_policy_json).Statement : s.Sid => [s.Principal.Service, s.Condition] } == {
      BucketNotifiesQueue = ["s3.amazonaws.com", {
        ArnEquals    = { "aws:SourceArn" = "arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1" }
        StringEquals = { "aws:SourceAccount" = "123456789012" }
      }]
      EncryptLogs = ["logs.us-east-1.amazonaws.com", {
        ArnLike = { "kms:EncryptionContext:aws:logs:arn" = [
          "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/custom-labels-batch-*",
          "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/states/custom-labels-batch-*",
        ] }
      }]
    }
    error_message = "Each service must be let in for this deployment's resources alone."
  }

  assert {
    condition = { for s in jsondecode(output.alarm_topic_kms_key_policy_json).Statement : s.Sid => [s.Principal.Service, s.Condition] } == {
      AlarmsReachTopic = ["cloudwatch.amazonaws.com", {
        ArnLike      = { "aws:SourceArn" = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:custom-labels-batch-*" }
        StringEquals = { "aws:SourceAccount" = "123456789012" }
      }]
    }
    error_message = "CloudWatch must be let in to the topic's key for this deployment's alarms alone."
  }

  assert {
    condition     = length(module.source_bucket) == 1 && length(module.final_bucket) == 1
    error_message = "Both buckets must be made."
  }

  assert {
    condition     = output.source_bucket_name == "custom-labels-batch-source-123456789012-us-east-1" && output.final_bucket_name == "custom-labels-batch-final-123456789012-us-east-1"
    error_message = "The buckets' names must be known at plan."
  }

  assert {
    condition     = jsondecode(output.queue_policy_json).Statement[0].Condition.ArnEquals["aws:SourceArn"] == "arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1" && output.source_notification == null
    error_message = "The source bucket alone must notify, by itself."
  }

  assert {
    condition = [for s in jsondecode(output.queue_policy_json).Statement : s.Condition.ArnNotLike["aws:PrincipalArn"] if s.Sid == "DenyOtherSenders"] == [
      [for function in ["analyze-image", "reconcile"] : "arn:aws:iam::123456789012:role/custom-labels-batch-${function}-us-east-1"],
    ]
    error_message = "No role may send to the queue but analyze_image's and reconcile's."
  }
}

run "one_bucket_of_the_account_is_read_and_written_below_its_prefixes_alone" {
  command = plan

  variables {
    source_bucket_name = "photos"
    source_events      = "eventbridge"
    source_prefix      = "logos/incoming/"
    final_bucket_name  = "photos"
    final_prefix       = "logos/"

    iam_path               = "/vision/"
    redrive_principal_arns = ["arn:aws:iam::123456789012:role/on-call"]
  }

  assert {
    condition = [for s in jsondecode(output.queue_policy_json).Statement : s.Condition.ArnNotLike["aws:PrincipalArn"] if s.Sid == "DenyOtherSenders"] == [[
      "arn:aws:iam::123456789012:role/vision/custom-labels-batch-analyze-image-us-east-1",
      "arn:aws:iam::123456789012:role/vision/custom-labels-batch-reconcile-us-east-1",
      "arn:aws:iam::123456789012:role/on-call",
    ]]
    error_message = "The roles must be named under their path, and who redrives beside them."
  }

  assert {
    condition     = length(module.source_bucket) == 0 && length(module.final_bucket) == 0
    error_message = "No bucket may be made, nor anything of the account's bucket be a resource here."
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.analyze_image.json).Statement : s.Sid => s.Resource if s.Effect == "Allow" && strcontains(jsonencode(s.Action), "s3:") } == {
      ReadAndDeleteImages              = "arn:aws:s3:::photos/logos/incoming/*"
      TellMissingFromForbidden         = "arn:aws:s3:::photos"
      TellMissingVersionsFromForbidden = "arn:aws:s3:::photos"
      WriteResultObjects               = ["arn:aws:s3:::photos/logos/processed/*", "arn:aws:s3:::photos/logos/failed/*"]
      WithdrawClaims                   = ["arn:aws:s3:::photos/logos/processed/*.json", "arn:aws:s3:::photos/logos/failed/*.json"]
    }
    error_message = "analyze_image must take and delete images below the source prefix and write below the final prefix, nothing else."
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.reconcile.json).Statement : s.Sid => s.Resource if s.Effect == "Allow" && strcontains(jsonencode(s.Action), "s3:") } == {
      ListSourceBucket       = "arn:aws:s3:::photos"
      ReadObjectVersions     = "arn:aws:s3:::photos/logos/incoming/*"
      WriteReports           = "arn:aws:s3:::photos/logos/reconcile/*"
      ReadDeadLetteredImages = "arn:aws:s3:::photos/logos/reconcile/*/dead_lettered.json"
    }
    error_message = "reconcile must look below the source prefix and write below the final prefix, nothing else."
  }

  assert {
    condition = [for s in jsondecode(data.aws_iam_policy_document.reconcile_workflow.json).Statement : [s.Resource, try(s.Condition, null)] if s.Effect == "Allow"] == [
      ["arn:aws:s3:::photos", { StringLike = { "s3:prefix" = "logos/incoming/*" } }],
      ["arn:aws:s3:::photos/logos/reconcile/*", null],
    ]
    error_message = "The reconcile's state machine must list below the source prefix alone, and write below the final prefix."
  }

  assert {
    condition     = [for s in jsondecode(data.aws_iam_policy_document.record_run.json).Statement : s.Resource if s.Sid == "WriteReceipts"] == ["arn:aws:s3:::photos/logos/runs/*"]
    error_message = "Receipts must be written below the final prefix alone."
  }

  assert {
    condition     = [for s in jsondecode(output.queue_policy_json).Statement : [s.Principal, s.Condition] if s.Effect == "Allow"] == [[{ Service = "events.amazonaws.com" }, { ArnEquals = { "aws:SourceArn" = [for name in ["images", "images-2"] : "arn:aws:events:us-east-1:123456789012:rule/custom-labels-batch-${name}"] } }]]
    error_message = "The rules alone may send to the queue."
  }
}

run "each_role_uses_the_key_for_what_it_does_and_through_the_service_alone" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa"
  }

  assert {
    condition = {
      for role, document in data.aws_iam_policy_document.key_use : role => {
        for s in jsondecode(document.json).Statement : s.Sid => [s.Resource, s.Condition.StringEquals["kms:ViaService"]]
      }
      } == {
      for role, uses in {
        record_run         = ["UseTable", "WriteResults"]
        check_queue        = ["UseQueues", "UseTable"]
        start_model        = ["UseTable"]
        stop_model         = ["UseTable"]
        toggle_trigger     = ["UseTable"]
        analyze_image      = ["ReadObjects", "UseQueues", "UseTable", "WriteResults"]
        watchdog           = ["UseTable", "WriteResults"]
        reconcile          = ["ReadResults", "UseQueues", "UseTable", "WriteResults"]
        reconcile_workflow = ["ReadResults", "WriteResults"]
        results_stream     = ["ReadResults", "WriteResults"]
        } : role => {
        for use in uses : use => ["arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa", {
          UseTable     = "dynamodb.us-east-1.amazonaws.com"
          UseQueues    = "sqs.us-east-1.amazonaws.com"
          ReadObjects  = "s3.us-east-1.amazonaws.com"
          ReadResults  = "s3.us-east-1.amazonaws.com"
          WriteResults = "s3.us-east-1.amazonaws.com"
        }[use]]
      }
    }
    error_message = "Each role must use the key through the services that it works with, and through no other."
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.analyze_image.json).Statement : s.Sid => s.Action if strcontains(jsonencode(s.Action), "kms:") } == {
      ReadObjects  = "kms:Decrypt"
      UseQueues    = ["kms:GenerateDataKey", "kms:Decrypt"]
      UseTable     = ["kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Encrypt", "kms:DescribeKey", "kms:Decrypt"]
      WriteResults = "kms:GenerateDataKey"
    }
    error_message = "The function's own policy must hold the statements about the key."
  }

  assert {
    condition = alltrue([for json in [
      data.aws_iam_policy_document.record_run.json,
      data.aws_iam_policy_document.check_queue.json,
      data.aws_iam_policy_document.start_model.json,
      data.aws_iam_policy_document.stop_model.json,
      data.aws_iam_policy_document.reconcile.json,
      data.aws_iam_policy_document.reconcile_workflow.json,
    ] : strcontains(json, "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa")])
    error_message = "Each other role's policy must hold them too."
  }

  assert {
    condition     = aws_dynamodb_table.run.server_side_encryption[0].enabled && aws_dynamodb_table.run.server_side_encryption[0].kms_key_arn == "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa"
    error_message = "The table must be encrypted with the key."
  }
}

run "buckets_of_the_account_have_keys_of_their_own" {
  command = plan

  variables {
    kms_key_arn               = "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa"
    source_bucket_name        = "photos"
    source_events             = "eventbridge"
    source_bucket_kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-bbbb"
    final_bucket_name         = "labels"
    final_bucket_kms_key_arn  = "arn:aws:kms:us-east-1:123456789012:key/00000000-cccc"

    # In one bucket it would be read again and again.
    source_prefix = "processed/"
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.key_use["analyze_image"].json).Statement : s.Sid => s.Resource } == {
      ReadObjects  = ["arn:aws:kms:us-east-1:123456789012:key/00000000-cccc", "arn:aws:kms:us-east-1:123456789012:key/00000000-bbbb"]
      UseQueues    = "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa"
      UseTable     = "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa"
      WriteResults = "arn:aws:kms:us-east-1:123456789012:key/00000000-cccc"
    }
    error_message = "Images must be read with their bucket's key and results written with theirs."
  }

  assert {
    condition     = [for s in jsondecode(output.kms_key_policy_json).Statement : [s.Sid, s.Principal.Service] if s.Sid == "EventBridgeSendsToQueue"] == [["EventBridgeSendsToQueue", "events.amazonaws.com"]] && !strcontains(output.kms_key_policy_json, "s3.amazonaws.com")
    error_message = "EventBridge must be let in, and not the bucket."
  }

  assert {
    condition = [for s in jsondecode(output.kms_key_policy_json).Statement : s.Condition if s.Sid == "EventBridgeSendsToQueue"] == [{
      ArnEqualsIfExists    = { "kms:EncryptionContext:aws:sqs:arn" = "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images" }
      ArnLikeIfExists      = { "aws:SourceArn" = "arn:aws:events:us-east-1:123456789012:rule/custom-labels-batch-images*" }
      StringEqualsIfExists = { "aws:SourceAccount" = "123456789012" }
    }]
    error_message = "EventBridge must be let in for this queue and its rules, as far as a request says so."
  }
}

run "a_bucket_of_the_account_may_notify_by_itself_and_arns_follow_the_partition_of_the_model" {
  command = plan

  override_data {
    target = data.aws_region.current
    values = { id = "cn-north-1" }
  }

  variables {
    project_arn         = "arn:aws-cn:rekognition:cn-north-1:123456789012:project/logos/1700000000000"
    project_version_arn = "arn:aws-cn:rekognition:cn-north-1:123456789012:project/logos/version/1/1700000000001"

    source_bucket_name = "photos"
    source_events      = "notification"
  }

  assert {
    condition     = jsondecode(output.queue_policy_json).Statement[0].Condition.ArnEquals["aws:SourceArn"] == "arn:aws-cn:s3:::photos" && output.source_notification == null
    error_message = "The account's bucket alone must notify, and there is nothing to add."
  }

  assert {
    condition     = !strcontains(data.aws_iam_policy_document.analyze_image.json, "arn:aws:") && !strcontains(output.queue_policy_json, "arn:aws:") && !strcontains(local.executions_arn, "arn:aws:")
    error_message = "No ARN may be of another partition than the model's."
  }
}
