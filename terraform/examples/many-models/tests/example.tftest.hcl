# The example hands its inputs on. It needs the zips of `make package`.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "000000000000" }
  }
}

variables {
  name = "vision"
  models = {
    logos = {
      project_arn         = "arn:aws:rekognition:us-east-1:000000000000:project/logos/1700000000000"
      project_version_arn = "arn:aws:rekognition:us-east-1:000000000000:project/logos/version/logos.1/1700000000001"
      schedule_expression = "cron(0 * * * ? *)"
    }
    parts = {
      project_arn         = "arn:aws:rekognition:us-east-1:000000000000:project/parts/1700000000000"
      project_version_arn = "arn:aws:rekognition:us-east-1:000000000000:project/parts/version/parts.1/1700000000001"
      schedule_expression = "cron(20 * * * ? *)"
    }
    plants = {
      project_arn         = "arn:aws:rekognition:us-east-1:000000000000:project/plants/1700000000000"
      project_version_arn = "arn:aws:rekognition:us-east-1:000000000000:project/plants/version/plants.1/1700000000001"
      schedule_expression = "cron(40 * * * ? *)"
    }
  }
}

run "each_model_has_a_copy_of_its_own_on_one_bucket" {
  command = plan

  assert {
    condition = { for model, pipeline in output.pipelines : model => [pipeline.analyze_function_name, pipeline.source_bucket_name] } == {
      for model in ["logos", "parts", "plants"] : model => ["vision-${model}-analyze-image", "vision-photos-000000000000"]
    }
    error_message = "Each model must have functions of its own, and the bucket in common."
  }
}

run "refuses_a_name_that_is_no_folder" {
  command = plan

  variables {
    models = { "Logos/2" = { project_arn = "", project_version_arn = "", schedule_expression = "" } }
  }

  expect_failures = [var.models]
}
