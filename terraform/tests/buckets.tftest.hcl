# Buckets of the estate: what is made beside them, what may be done in them, and which inputs are refused. The real
# provider puts the policy documents together without a network; what it would send to AWS is overridden.

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

run "without_buckets_of_the_estate_both_are_made" {
  command = plan

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
}

run "one_bucket_of_the_estate_is_read_and_written_below_its_prefixes_alone" {
  command = plan

  variables {
    source_bucket_name = "photos"
    source_events      = "eventbridge"
    source_prefix      = "logos/incoming/"
    final_bucket_name  = "photos"
    final_prefix       = "logos/"
  }

  assert {
    condition     = length(module.source_bucket) == 0 && length(module.final_bucket) == 0
    error_message = "No bucket may be made, nor anything of the estate's bucket be a resource here."
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.analyze_image.json).Statement : s.Sid => s.Resource if strcontains(jsonencode(s.Action), "s3:") } == {
      TakeImages                       = "arn:aws:s3:::photos/logos/incoming/*"
      TellMissingFromForbidden         = "arn:aws:s3:::photos"
      TellMissingVersionsFromForbidden = "arn:aws:s3:::photos"
      KeepResults                      = ["arn:aws:s3:::photos/logos/processed/*", "arn:aws:s3:::photos/logos/failed/*"]
      WithdrawClaims                   = ["arn:aws:s3:::photos/logos/processed/*.json", "arn:aws:s3:::photos/logos/failed/*.json"]
    }
    error_message = "analyze_image must take and delete images below the source prefix and write below the final prefix, nothing else."
  }

  assert {
    condition = { for s in jsondecode(data.aws_iam_policy_document.reconcile.json).Statement : s.Sid => s.Resource if strcontains(jsonencode(s.Action), "s3:") } == {
      LookIntoSourceBucket = "arn:aws:s3:::photos"
      SeeVersions          = "arn:aws:s3:::photos/logos/incoming/*"
      WriteReports         = "arn:aws:s3:::photos/logos/reconcile/*"
      ReadImagesSetAside   = "arn:aws:s3:::photos/logos/reconcile/*/set_aside.json"
    }
    error_message = "reconcile must look below the source prefix and write below the final prefix, nothing else."
  }

  assert {
    condition = [for s in jsondecode(data.aws_iam_policy_document.reconcile_workflow.json).Statement : [s.Resource, try(s.Condition, null)]] == [
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

run "the_estate_is_told_what_to_add" {
  command = plan

  variables {
    source_bucket_name = "photos"
    source_events      = "external"
    image_suffixes     = [".tif"]
  }

  assert {
    condition = jsondecode(output.source_notification).QueueConfigurations == [{
      Id       = "custom-labels-batch-image-0"
      QueueArn = "arn:aws:sqs:us-east-1:123456789012:custom-labels-batch-images"
      Events   = ["s3:ObjectCreated:*"]
      Filter   = { Key = { FilterRules = [{ Name = "suffix", Value = ".tif" }] } }
    }]
    error_message = "The output must hold the exact configuration."
  }
}

run "a_bucket_of_the_estate_may_notify_by_itself" {
  command = plan

  variables {
    source_bucket_name = "photos"
    source_events      = "notification"
  }

  assert {
    condition     = jsondecode(output.queue_policy_json).Statement[0].Condition.ArnEquals["aws:SourceArn"] == "arn:aws:s3:::photos" && output.source_notification == null
    error_message = "The estate's bucket alone must notify, and there is nothing to add."
  }
}

run "refuses_a_bucket_of_the_estate_without_a_choice" {
  command = plan

  variables {
    source_bucket_name = "photos"
  }

  expect_failures = [var.source_events]
}

run "refuses_names_that_no_bucket_has_and_a_prefix_that_no_key_has" {
  command = plan

  variables {
    source_bucket_name = "Photos"
    source_prefix      = "/incoming/"
    final_bucket_name  = "s3://labels"
  }

  expect_failures = [
    var.source_bucket_name,
    var.source_prefix,
    var.final_bucket_name,
  ]
}

# In a run of their own: these rules look at the names, and are left out when those are refused.
run "refuses_another_way_and_a_prefix_that_is_no_folder" {
  command = plan

  variables {
    source_events = "sns"
    final_prefix  = "labels"
  }

  expect_failures = [var.source_events, var.final_prefix]
}

run "refuses_a_source_prefix_that_is_too_long" {
  command = plan

  variables {
    source_prefix = "${join("", [for i in range(200) : "x"])}/"
  }

  expect_failures = [var.source_prefix]
}

run "refuses_a_final_prefix_that_is_too_long" {
  command = plan

  variables {
    final_prefix = "${join("", [for i in range(200) : "x"])}/"
  }

  expect_failures = [var.final_prefix]
}

run "refuses_to_read_all_of_a_bucket_that_it_writes_to" {
  command = plan

  variables {
    source_bucket_name = "photos"
    source_events      = "eventbridge"
    final_bucket_name  = "photos"
    final_prefix       = "labels/"
  }

  expect_failures = [var.final_prefix]
}

run "refuses_to_write_where_it_reads" {
  command = plan

  variables {
    source_bucket_name = "photos"
    source_events      = "eventbridge"
    source_prefix      = "logos/"
    final_bucket_name  = "photos"
    final_prefix       = "logos/results/"
  }

  expect_failures = [var.final_prefix]
}

run "refuses_to_read_one_of_the_folders_that_it_writes" {
  command = plan

  variables {
    source_bucket_name = "photos"
    source_events      = "eventbridge"
    source_prefix      = "logos/runs/"
    final_bucket_name  = "photos"
    final_prefix       = "logos/"
  }

  expect_failures = [var.final_prefix]
}

run "refuses_to_read_below_what_it_writes" {
  command = plan

  variables {
    source_bucket_name = "photos"
    source_events      = "eventbridge"
    source_prefix      = "logos/processed/again/"
    final_bucket_name  = "photos"
    final_prefix       = "logos/"
  }

  expect_failures = [var.final_prefix]
}

run "refuses_its_own_source_bucket_as_the_final_one" {
  command = plan

  variables {
    final_bucket_name = "custom-labels-batch-source-123456789012-us-east-1"
  }

  expect_failures = [var.final_prefix]
}

run "refuses_its_own_final_bucket_as_the_source" {
  command = plan

  variables {
    source_bucket_name = "custom-labels-batch-final-123456789012-us-east-1"
    source_events      = "eventbridge"
  }

  expect_failures = [var.final_prefix]
}

run "accepts_prefixes_that_would_loop_in_one_bucket_in_two" {
  command = plan

  variables {
    source_bucket_name = "photos"
    source_events      = "eventbridge"
    source_prefix      = "processed/"
    final_bucket_name  = "labels"
  }
}
