# The example hands its inputs on. It needs the zips of `make package`.

mock_provider "aws" { source = "../../tests/mocks" }

variables {
  name = "vision"
  models = {
    logos = {
      project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
      project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000001"
      schedule_expression = "cron(0 * * * ? *)"
    }
    parts = {
      project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/parts/1700000000000"
      project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/parts/version/parts.1/1700000000001"
      schedule_expression = "cron(20 * * * ? *)"
    }
    plants = {
      project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/plants/1700000000000"
      project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/plants/version/plants.1/1700000000001"
      schedule_expression = "cron(40 * * * ? *)"
    }
  }
}

run "each_model_has_a_copy_of_its_own_on_one_bucket" {
  command = plan

  assert {
    condition = { for model, pipeline in output.pipelines : model => [pipeline.analyze_function_name, pipeline.source_bucket_name] } == {
      for model in ["logos", "parts", "plants"] : model => ["vision-${model}-analyze-image", "vision-photos-123456789012"]
    }
    error_message = "Each model must have functions of its own, and the bucket in common."
  }
}
