# What each function may do. The real provider puts the policy documents together without a network; the account is
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

variables {
  project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
  project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.2024-01-31/1700000000001"
  package_dir         = "./tests/packages"
}

run "each_function_may_do_what_it_needs_and_no_more" {
  command = plan

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.record_run.json).Statement : s.Sid => [s.Action, s.Resource] } == {
      KeepRuns      = [["dynamodb:UpdateItem", "dynamodb:GetItem"], "arn:aws:dynamodb:us-east-1:123456789012:table/custom-labels-batch-runs"]
      WriteReceipts = ["s3:PutObject", "arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1/runs/*"]
    }
    error_message = "record_run must keep runs in the table and write receipts under runs/."
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.check_queue.json).Statement : s.Sid => [s.Action, s.Resource] } == {
      LookIntoQueue           = [["sqs:ReceiveMessage", "sqs:GetQueueAttributes", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"], "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images"]
      SetAsideForeignMessages = ["sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images-dead-letter"]
      ReadAndExtendLease      = [["dynamodb:UpdateItem", "dynamodb:GetItem"], "arn:aws:dynamodb:us-east-1:123456789012:table/custom-labels-batch-runs"]
    }
    error_message = "check_queue must look into the queue, set foreign messages aside and extend the lease."
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.start_model.json).Statement : s.Sid => [s.Action, s.Resource] } == {
      SeeModelStatus = ["rekognition:DescribeProjectVersions", var.project_arn]
      StartModel     = ["rekognition:StartProjectVersion", var.project_version_arn]
      ExtendLeaseAndReadThroughput = [
        ["dynamodb:UpdateItem", "dynamodb:GetItem"],
        "arn:aws:dynamodb:us-east-1:123456789012:table/custom-labels-batch-runs",
      ]
    }
    error_message = "start_model must describe the project's versions, start this one, extend the lease and read the throughput."
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.stop_model.json).Statement : s.Sid => [s.Action, s.Resource] } == {
      SeeModelStatus = ["rekognition:DescribeProjectVersions", var.project_arn]
      StopModel      = ["rekognition:StopProjectVersion", var.project_version_arn]
      ExtendLease    = ["dynamodb:UpdateItem", "arn:aws:dynamodb:us-east-1:123456789012:table/custom-labels-batch-runs"]
    }
    error_message = "stop_model must describe the project's versions, stop this one and extend the lease."
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.analyze_image.json).Statement : s.Sid => [s.Action, s.Resource] } == {
      LabelImages = ["rekognition:DetectCustomLabels", var.project_version_arn]
      PollQueue   = [["sqs:ReceiveMessage", "sqs:GetQueueAttributes", "sqs:DeleteMessage"], "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images"]
      KeepMessages = [
        "sqs:SendMessage",
        ["arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images-dead-letter", "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images"],
      ]
      TakeImages = [
        ["s3:GetObjectVersionTagging", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:GetObject", "s3:DeleteObjectVersion", "s3:DeleteObject"],
        "arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1/*",
      ]
      TellMissingFromForbidden         = ["s3:ListBucket", ["arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1", "arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1"]]
      TellMissingVersionsFromForbidden = ["s3:ListBucketVersions", "arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1"]
      KeepResults = [
        ["s3:PutObjectTagging", "s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"],
        ["arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1/processed/*", "arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1/failed/*"],
      ]
      WithdrawClaims = [
        "s3:DeleteObject",
        ["arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1/processed/*.json", "arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1/failed/*.json"],
      ]
      CountImages = [["dynamodb:UpdateItem", "dynamodb:GetItem"], "arn:aws:dynamodb:us-east-1:123456789012:table/custom-labels-batch-runs"]
    }
    error_message = "analyze_image must label, keep messages, take images from the source bucket, keep results in the final bucket and count."
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.reconcile.json).Statement : s.Sid => [s.Action, s.Resource] } == {
      LookIntoSourceBucket    = ["s3:ListBucket", "arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1"]
      SeeVersions             = ["s3:GetObject", "arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1/*"]
      QueueImages             = ["sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images"]
      LookIntoDeadLetterQueue = [["sqs:ReceiveMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"], "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images-dead-letter"]
      WriteReports            = ["s3:PutObject", "arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1/reconcile/*"]
      ReadImagesSetAside      = ["s3:GetObject", "arn:aws:s3:::custom-labels-batch-final-123456789012-us-east-1/reconcile/*/set_aside.json"]
      KeepRecords             = [["dynamodb:UpdateItem", "dynamodb:GetItem"], "arn:aws:dynamodb:us-east-1:123456789012:table/custom-labels-batch-runs"]
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
          if strcontains(jsonencode(s.Action), "dynamodb:")
      ])
    ])
    error_message = "Each DynamoDB statement must hold the leading key to the model's ARN."
  }
}

run "the_arns_follow_the_partition_of_the_model" {
  command = plan

  override_data {
    target = data.aws_region.current
    values = { id = "cn-north-1" }
  }

  variables {
    project_arn         = "arn:aws-cn:rekognition:cn-north-1:123456789012:project/logos/1700000000000"
    project_version_arn = "arn:aws-cn:rekognition:cn-north-1:123456789012:project/logos/version/1/1700000000001"
  }

  assert {
    condition     = !strcontains(data.aws_iam_policy_document.analyze_image.json, "arn:aws:") && !strcontains(local.executions_arn, "arn:aws:")
    error_message = "No ARN may be of another partition than the model's."
  }
}
