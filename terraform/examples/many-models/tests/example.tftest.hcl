# The example hands its inputs on. It needs the zips of `make package`.

mock_provider "aws" { source = "../../tests/mocks" }

run "each_model_has_a_copy_of_its_own_on_one_bucket" {
  command = plan

  assert {
    condition = { for model, pipeline in output.pipelines : model => [pipeline.analyze_function_name, pipeline.source_bucket_name] } == {
      for model in ["logos", "parts", "plants"] : model => ["vision-${model}-analyze-image", "vision-photos-123456789012"]
    }
    error_message = "Each model must have functions of its own, and the bucket in common."
  }
}
