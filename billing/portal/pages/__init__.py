"""What customers see: pages that work in a captive browser, without JavaScript, on a small screen."""
