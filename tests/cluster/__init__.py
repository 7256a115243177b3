"""Tests in a real cluster: pods, Services, webhooks, by kubectl only, so that any cluster with the images will do."""
