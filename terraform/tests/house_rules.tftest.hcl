# House rules: keys, boundary, path, VPC, and where the code comes from. The real provider puts the policy documents
# together without a network; what it would send to AWS is overridden.

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

run "without_keys_of_the_estate_no_role_uses_any" {
  command = plan

  assert {
    condition     = alltrue([for document in values(data.aws_iam_policy_document.key_use) : try(length(jsondecode(document.json).Statement), 0) == 0])
    error_message = "Without a key there must be no statement about one."
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

run "buckets_of_the_estate_have_keys_of_their_own" {
  command = plan

  variables {
    kms_key_arn               = "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa"
    source_bucket_name        = "photos"
    source_events             = "eventbridge"
    source_bucket_kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-bbbb"
    final_bucket_name         = "labels"
    final_bucket_kms_key_arn  = "arn:aws:kms:us-east-1:123456789012:key/00000000-cccc"
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
}

run "the_estate_is_told_what_the_services_need_of_its_key" {
  command = plan

  assert {
    condition = { for s in jsondecode(output.kms_key_policy_json).Statement : s.Sid => [s.Principal.Service, s.Condition] } == {
      BucketNotifiesQueue = ["s3.amazonaws.com", {
        ArnEquals    = { "aws:SourceArn" = "arn:aws:s3:::custom-labels-batch-source-123456789012-us-east-1" }
        StringEquals = { "aws:SourceAccount" = "123456789012" }
      }]
      AlarmsReachTopic = ["cloudwatch.amazonaws.com", {
        ArnLike      = { "aws:SourceArn" = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:custom-labels-batch-*" }
        StringEquals = { "aws:SourceAccount" = "123456789012" }
      }]
      KeepLogs = ["logs.us-east-1.amazonaws.com", {
        ArnLike = { "kms:EncryptionContext:aws:logs:arn" = [
          "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/custom-labels-batch-*",
          "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/states/custom-labels-batch-*",
        ] }
      }]
    }
    error_message = "Each service must be let in for this deployment's resources alone."
  }
}

run "the_code_comes_from_the_estates_bucket" {
  command = plan

  variables {
    package_dir                = null
    package_s3_bucket          = "releases"
    package_s3_key_prefix      = "labels/v1/"
    package_s3_object_versions = { watchdog = "v1" }
    lambda_runtime             = "python3.12"
    lambda_architecture        = "x86_64"
  }

  assert {
    condition     = local.package_s3_keys["analyze_image"] == "labels/v1/analyze_image.zip" && local.package_files["analyze_image"] == null
    error_message = "Each zip must be looked for under the prefix, and nowhere else."
  }
}

run "refuses_keys_roles_and_networks_that_cannot_be" {
  command = plan

  variables {
    kms_key_arn              = "arn:aws:kms:us-east-1:123456789012:alias/house"
    permissions_boundary_arn = "boundary"
    iam_path                 = "vision/"
    vpc_subnet_ids           = ["10.0.0.0/28"]
    package_s3_bucket        = "Releases"
    package_s3_key_prefix    = "/v1/"
    lambda_runtime           = "python3.9"
    lambda_architecture      = "arm"
  }

  expect_failures = [
    var.kms_key_arn,
    var.permissions_boundary_arn,
    var.iam_path,
    var.vpc_subnet_ids,
    var.package_s3_bucket,
    var.package_s3_key_prefix,
    var.lambda_runtime,
    var.lambda_architecture,
  ]
}

run "refuses_what_does_not_go_together" {
  command = plan

  variables {
    kms_key_arn                = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd"
    source_bucket_kms_key_arn  = "arn:aws:kms:us-east-1:123456789012:key/00000000-bbbb"
    final_bucket_kms_key_arn   = "arn:aws:kms:us-east-1:123456789012:key/00000000-cccc"
    vpc_security_group_ids     = ["sg-0a1b2c3d"]
    package_s3_object_versions = { watchdog = "v1" }
  }

  expect_failures = [
    var.kms_key_arn,
    var.source_bucket_kms_key_arn,
    var.final_bucket_kms_key_arn,
    var.vpc_security_group_ids,
    var.package_s3_object_versions,
  ]
}

run "refuses_two_places_for_the_code_and_a_path_that_is_too_long" {
  command = plan

  variables {
    package_s3_bucket      = "releases"
    vpc_subnet_ids         = []
    vpc_security_group_ids = ["group"]
    iam_path               = "/${join("", [for i in range(512) : "x"])}/"
  }

  expect_failures = [
    var.package_s3_bucket,
    var.vpc_security_group_ids,
    var.iam_path,
  ]
}

run "refuses_aliases_of_given_buckets_keys_and_a_package_that_is_none" {
  command = plan

  variables {
    source_bucket_name        = "photos"
    source_events             = "eventbridge"
    source_bucket_kms_key_arn = "alias/photos"
    final_bucket_name         = "labels"
    final_bucket_kms_key_arn  = "alias/labels"

    package_dir                = null
    package_s3_bucket          = "releases"
    package_s3_object_versions = { analyse_image = "v1" }
  }

  expect_failures = [
    var.source_bucket_kms_key_arn,
    var.final_bucket_kms_key_arn,
    var.package_s3_object_versions,
  ]
}
