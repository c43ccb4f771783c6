// One sweep over the frontier: its breakpoints, and a plan for every deadline that is passed on the way.
#pragma once

#include <chrono>
#include <functional>

#include "dive.hpp"
#include "splice.hpp"

namespace joulewise {

// How hard to work on plans, beyond rounding and splicing: until one costs at most `excess` more than the relaxation, or
// its time is up.
struct Effort {
    std::vector<double> cautions;  // one dive for each
    Int visits = 0;                // operations that local search may look at
    Int excess = 0;                // in ticks of cost
    double seconds = 1e300;
    Int spare = -1;  // by how much a plan may lie above its neighbours' line and not be spliced; -1 for any
};

struct Answer {
    std::vector<Int> makespan;   // of every breakpoint, falling from T_max to T_min
    std::vector<Int> price;      // -dE/dT between breakpoint k and k+1
    std::vector<double> cost;    // above the cost at T_max, in ticks of flow times time
    std::vector<Choice> plans;   // one row per deadline that could be met
    std::size_t met = 0;
    Int pivots = 0;
};

class PlanMaker {
public:
    using Poll = std::function<void(double)>;
    PlanMaker(PlanGraph& graph, const std::vector<Int>& deadlines, const std::vector<std::uint8_t>& support,
              const Effort& effort, const Poll& poll)
        : graph_(graph), deadlines_(deadlines), support_(support), effort_(effort), poll_(poll),
          target_(deadlines.size()), spent_(deadlines.size(), 0.0), plan_(graph.size(), 0), trial_(graph.size()) {
        fastest_ = graph.makespan(plan_);
        plans.reserve(deadlines.size() * graph.size());
    }

    std::vector<Choice> plans;  // one row per deadline that was met
    std::size_t met = 0;
    bool next_is_at_least(Int makespan) const { return met < deadlines_.size() && deadlines_[met] >= makespan; }
    Int next() const { return deadlines_[met]; }

    // How far we are: the sweep is half of the work if there is local search after it.
    void report(Int makespan) {
        if (slowest_ < 0) slowest_ = makespan;
        const double span = static_cast<double>(std::max<Int>(1, slowest_ - fastest_));
        done_ = (effort_.visits > 0 ? 0.5 : 1.0) * static_cast<double>(slowest_ - makespan) / span;
        poll_(done_);
    }

    // A plan for the next deadline, whose events are given; `relaxed` is the cost of the relaxation there.
    void round(const Network& net, std::vector<Int>& event, __int128 relaxed, Int price, Index entered, Index level) {
        const Int deadline = next(), origin = event[net.source];
        for (Int& t : event) t -= origin;
        target_[met] = static_cast<Int>(static_cast<double>(relaxed) * kCostPerTick) + effort_.excess;
        graph_.round(event, deadline, plan_);
        if (!support_[met]) {
            const Stopwatch watch(*this, met);
            for (const double caution : effort_.cautions) {
                if (watch(graph_.total(plan_))) break;
                Dive dive(net, graph_, price, deadline, event, entered, level);
                if (!dive.run(trial_, caution, watch)) continue;
                graph_.fill(trial_, deadline, true);
                graph_.fill(trial_, deadline, false);
                if (graph_.makespan(trial_) <= deadline && graph_.total(trial_) < graph_.total(plan_)) plan_ = trial_;
            }
            spent_[met] = watch.seconds();
        }
        plans.insert(plans.end(), plan_.begin(), plan_.end());
        ++met;
        poll_(done_);
    }

    // What needs all plans: splicing, and local search from there.
    void finish() {
        const std::vector<Int> deadlines(deadlines_.begin(), deadlines_.begin() + static_cast<std::ptrdiff_t>(met));
        if (effort_.spare >= 0) splice(graph_, deadlines, plans, effort_.spare, [&] { poll_(done_); });
        for (std::size_t k = 0; effort_.visits > 0 && k < met; ++k) {
            done_ = 0.5 + 0.5 * static_cast<double>(k) / static_cast<double>(met);
            if (support_[k]) continue;
            const auto row = plans.begin() + static_cast<std::ptrdiff_t>(k * plan_.size());
            std::copy_n(row, plan_.size(), plan_.begin());
            graph_.improve(plan_, deadlines_[k], effort_.visits, Stopwatch(*this, k));
            std::copy(plan_.begin(), plan_.end(), row);
        }
    }

private:
    PlanGraph& graph_;
    const std::vector<Int>& deadlines_;
    const std::vector<std::uint8_t>& support_;
    const Effort& effort_;
    const Poll& poll_;
    Int slowest_ = -1, fastest_ = 0;
    double done_ = 0;
    std::vector<Int> target_;
    std::vector<double> spent_;
    std::vector<Choice> plan_, trial_;

    // Asked with the present cost, whether a plan is good enough or its time is up.
    class Stopwatch {
    public:
        Stopwatch(const PlanMaker& maker, std::size_t k) : maker_(maker), k_(k) {}
        double seconds() const {
            return maker_.spent_[k_] + std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
        }
        bool operator()(Int cost) const {
            maker_.poll_(maker_.done_);
            return cost <= maker_.target_[k_] || seconds() >= maker_.effort_.seconds;
        }

    private:
        const PlanMaker& maker_;
        std::size_t k_;
        std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
    };
};

// Deadlines fall; those marked as support are there for splicing only, and no work is spent on them. `poll` gets the
// fraction that is done and may throw to stop.
inline Answer solve(const std::vector<Index>& kind, const std::vector<Index>& edges, const Hulls& hulls,
                    const Options& options, const std::vector<Int>& deadlines, const std::vector<std::uint8_t>& support,
                    const Effort& effort, const PlanMaker::Poll& poll) {
    Network net(static_cast<Index>(kind.size()), kind, edges, hulls);
    PlanGraph graph(kind, edges, options);
    PlanMaker maker(graph, deadlines, support, effort, poll);
    Sweep sweep(net);
    Answer answer;
    std::vector<Int> event(net.nodes);
    Int makespan = net.makespan();
    __int128 cost = 0;
    answer.makespan.push_back(makespan);
    answer.cost.push_back(0);
    maker.report(makespan);
    while (maker.next_is_at_least(makespan)) {
        event = net.time;
        maker.round(net, event, 0, 0, -1, -1);
    }
    Sweep::Step step;
    while (sweep.step(step)) {
        if ((++answer.pivots & 255) == 0) maker.report(makespan);
        if (step.shorten == 0) continue;
        const Int shorter = makespan - step.shorten;
        while (maker.next_is_at_least(shorter)) {
            const Int undo = maker.next() - shorter;
            event = net.time;
            for (const Index v : *step.moved) event[v] += step.sink_part ? undo : -undo;
            const __int128 relaxed = cost + static_cast<__int128>(step.price) * (step.shorten - undo);
            maker.round(net, event, relaxed, step.price, step.entered, step.entered_level);
        }
        makespan = shorter;
        cost += static_cast<__int128>(step.price) * step.shorten;
        if (!answer.price.empty() && answer.price.back() == step.price) {
            answer.makespan.back() = makespan;
            answer.cost.back() = static_cast<double>(cost);
        } else {
            answer.makespan.push_back(makespan);
            answer.price.push_back(step.price);
            answer.cost.push_back(static_cast<double>(cost));
        }
    }
    maker.finish();
    answer.met = maker.met;
    answer.plans = std::move(maker.plans);
    return answer;
}

}  // namespace joulewise
