// A row of the table of sites as JSON: the text that archives and --list --json hold.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "vqt/report_json.h"

namespace vqt {
namespace {

SiteReport measured_row() {
  SiteReport site;
  site.name = "block.fc";
  site.n = 3;
  site.k = 5;
  site.action = "quantized";
  site.scheme = "w8a8";
  site.reason = "overrides[0] \"fc\"";
  site.calls = 2;
  site.bytes_before = 60;
  site.bytes_after = 27;
  site.weight_sqnr_db = 41.5;
  site.output_sqnr_db = 38.25;
  site.ms_float = 1.5;
  site.ms_quantized = 0.5;
  return site;
}

SiteReport read_back(const SiteReport& site) {
  Report report;
  report.sites.push_back(site);
  return report_from_json(report_to_json(report), "model.pt: vqt.json").sites.at(0);
}

TEST(SiteJson, ARowHasItsFieldsInOrder) {
  EXPECT_EQ(
      site_to_json(measured_row()).dump(),
      "{\"name\":\"block.fc\",\"kind\":\"linear\",\"shape\":[3,5],\"action\":\"quantized\",\"scheme\":\"w8a8\","
      "\"reason\":\"overrides[0] \\\"fc\\\"\",\"calls\":2,\"bytes_before\":60,\"bytes_after\":27,"
      "\"weight_sqnr_db\":41.5,\"output_sqnr_db\":38.25,\"ms_float\":1.5,\"ms_quantized\":0.5}");
}

TEST(SiteJson, WhatWasNotMeasuredIsLeftOutAndOnlyTheWeightsSqnrIsNull) {
  EXPECT_EQ(
      site_to_json(SiteReport()).dump(),
      "{\"name\":\"\",\"kind\":\"linear\",\"shape\":[0,0],\"action\":\"\",\"scheme\":\"\",\"reason\":\"\",\"calls\":0,"
      "\"bytes_before\":0,\"bytes_after\":0,\"weight_sqnr_db\":null}");
  SiteReport exact = measured_row();
  exact.output_sqnr_db = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(site_to_json(exact).at("output_sqnr_db").is_null());
}

TEST(SiteJson, ARowIsReadAsItWasWritten) {
  const SiteReport row = read_back(measured_row());
  EXPECT_EQ(site_to_json(row).dump(), site_to_json(measured_row()).dump());
  EXPECT_TRUE(std::isnan(read_back(SiteReport()).weight_sqnr_db));
  SiteReport attention;
  attention.kind = "attention";
  EXPECT_EQ(read_back(attention).kind, "attention");
}

TEST(SiteJson, ARowOfAnOlderFileIsALinear) {
  Report report;
  report.sites.push_back(measured_row());
  nlohmann::ordered_json json = report_to_json(report);
  json.at("sites").at(0).erase("kind");
  EXPECT_EQ(report_from_json(json, "model.pt: vqt.json").sites.at(0).kind, "linear");
  json.at("sites").at(0).erase("scheme");
  EXPECT_THROW(report_from_json(json, "model.pt: vqt.json"), Error);
}

}  // namespace
}  // namespace vqt
